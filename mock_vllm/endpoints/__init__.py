"""One module per endpoint family; each is found by its name alone and offers `routes(app)`."""
