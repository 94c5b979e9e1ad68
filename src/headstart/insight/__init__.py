"""What a finished run tells besides its verdict: a panel a file."""
