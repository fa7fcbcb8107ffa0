"""The limiter: Limitador's token-limit semantics behind Envoy's rate limit service.

Two calls per request. The *check* arrives before the backend is called and denies when a counter has reached its limit; the *report*
arrives when the response has ended and charges `usage.total_tokens`. Exactness for sequential clients is a matter of order: Envoy
issues the report while it encodes the last byte of the response, on the connection that carries its checks, and `unary` handles a
connection's calls in order, so no check that the response can cause overtakes its report.
"""
