#compdef mlx
# zsh completion for mlx, printed by: mlx completion zsh
_mlx_models() { local -a names; names=(${(f)"$(mlx list -q 2>/dev/null)"}); compadd -a names }
_mlx_models_or_files() { _mlx_models; _files }
_mlx_available() { local -a names; names=(${(f)"$(mlx list --available -q 2>/dev/null)"}); compadd -a names }
_mlx() {
  local -a commands
  commands=(
    # @commands@
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=${words[2]}
  shift words
  (( CURRENT-- ))
  case $command in
    # @cases@
  esac
}
compdef _mlx mlx
