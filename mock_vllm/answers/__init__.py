"""What is answered: the tokens of an answer and why it ends, decided before the first token is sent."""
