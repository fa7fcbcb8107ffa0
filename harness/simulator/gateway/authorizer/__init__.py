"""The authorizer: who calls, and may they use this model with which subscription."""
