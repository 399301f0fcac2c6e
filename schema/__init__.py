"""What clients see: Strawberry types and the three roots. No rules, no database."""
