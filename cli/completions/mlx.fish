# Asks the program itself, so that it is never out of date.
mlx completion fish | source
