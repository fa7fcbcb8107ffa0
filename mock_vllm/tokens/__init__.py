"""Tokens as a stated function of text, the chat template, and the book that answers are read from."""
