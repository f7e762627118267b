"""What figures share: style, panels, legends."""
