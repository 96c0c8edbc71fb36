"""From evidence to an answer: the features of a conflict, and the models of a bundle that rank its candidates."""
