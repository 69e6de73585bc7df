# bash completion for mlx, printed by: mlx completion bash
# shellcheck shell=bash disable=SC2034
_mlx() {
  local current line reply words='@words@'
  line="${COMP_LINE:0:COMP_POINT}"
  COMPREPLY=()
  current="${line##* }"
  [[ $COMP_CWORD -le 1 ]] || case "${COMP_WORDS[1]}" in
    # @cases@
  esac
  mapfile -t reply < <(compgen -W "$words" -- "$current")
  # bash splits words at a colon: it wants only what stands behind the last one
  [[ $current == *:* && $COMP_WORDBREAKS == *:* ]] && reply=("${reply[@]#"${current%:*}:"}")
  COMPREPLY+=("${reply[@]}")
}
complete -o filenames -F _mlx mlx
