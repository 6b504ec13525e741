"""Sources: bundled digits, the hub's sets, a user's folder, a user's arrays. One file each."""
