"""Which share of a small model's loss its head explains: wide trunks with heads of low rank against narrow models."""
