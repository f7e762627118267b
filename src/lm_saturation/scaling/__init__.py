"""The scaling law A/N^α + B/T^β + E: its fit, its intervals, and how far models lie above it."""
