"""Forms: from the bytes of tables, archives and trees of files to rows and members."""
