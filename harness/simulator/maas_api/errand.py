"""`python -m harness.simulator.maas_api.errand METHOD URL`: one call to a management API, as the platform's Jobs make it.

Standard library alone, so that it starts at once. The URL is of this cluster's inside and carries no credential; an https one has to
show a certificate of the system's authorities, or of those in the PEM file that SSL_CERT_FILE names.
"""

import http.client
import ssl
import sys
from urllib.parse import urlsplit

TIMEOUT_S = 10.0


def call(method: str, url: str) -> tuple[int, str]:
    """Status and body of the answer. Raises OSError or HTTPException when there is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected METHOD and an http or https URL, came {url!r}")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, parts.path or "/")
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode(errors="replace")
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    """Exit codes: 0 the call was answered with 2xx, 1 it was not, 2 usage."""
    if len(arguments) != 2:
        sys.stderr.write("usage: errand METHOD URL\n")
        return 2
    try:
        status, body = call(*arguments)
    except ssl.SSLCertVerificationError as error:  # a ValueError too
        sys.stderr.write(
            f"{arguments[1]} shows a certificate that is not trusted here: {error.verify_message}; name its authority's PEM file in "
            "the variable SSL_CERT_FILE\n"
        )
        return 1
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{arguments[1]} does not answer: {error}\n")
        return 1
    sys.stdout.write(f"{status} {body}\n")
    return 0 if 200 <= status < 300 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
