"""The page: its tables and facts."""
