"""Requests and replies of /v1/responses."""
