"""Reports: from a run's result to text. They see records, never a session."""
