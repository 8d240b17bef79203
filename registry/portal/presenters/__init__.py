"""What pages show: rows and reports turned into frozen values that a template only prints."""
