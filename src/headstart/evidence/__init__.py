"""What trials show: leaderboard, comparisons, selection, verdict. Pure: no run, no clock, no disk."""
