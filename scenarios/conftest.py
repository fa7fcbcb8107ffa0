"""This folder holds checks: a session that collects it judges a platform."""


def pytest_maas_checks() -> bool:
    return True
