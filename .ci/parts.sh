# Sourced by .ci/run and .ci/test: runs the parts of a script and reports the time of each.
parts=()
started=$SECONDS
part() {
    local name=$1 at=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    "$@"
    parts+=("$(printf '%5d s  %s' $((SECONDS - at)) "$name")")
}
report() {
    printf '\n== time per part\n'
    printf '%s\n' "${parts[@]}" "$(printf '%5d s  in all' $((SECONDS - started)))"
}
