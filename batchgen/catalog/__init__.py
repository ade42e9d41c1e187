"""What a model accepts and what it costs: schemas, pinning, typing of cells, price."""
