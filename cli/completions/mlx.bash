# Loaded by bash-completion: asks the program itself, so that it is never out of date.
eval "$(mlx completion bash)"
