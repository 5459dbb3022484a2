"""Jobs: from folders of files to restored files. Scan, plan, restore, report."""
