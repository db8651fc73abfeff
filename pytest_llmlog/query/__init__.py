"""Questions to logs: sources, the columns of a record, conditions, and the engines that answer."""
