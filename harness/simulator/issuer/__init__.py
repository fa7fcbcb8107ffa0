"""An OIDC issuer for the reference platform: several realms in one process, with real keys, and tokens for whoever a test names."""
