# fish completion for mlx, printed by: mlx completion fish
complete -c mlx -f
# @commands@
# @cases@
