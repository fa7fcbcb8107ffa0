"""The administrative port: journal, faults. Off unless asked for, and never on the API's port."""
