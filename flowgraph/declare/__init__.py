"""What users write: stages, and the graph of nodes that call them."""
