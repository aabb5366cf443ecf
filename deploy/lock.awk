# Parts the packages that uv resolved in two: torch with what its CUDA build alone needs, and the others.
BEGIN {
    others = "deploy/requirements.lock"
    torch = "deploy/torch.lock"
    print "# Made by `make lock`: what the container installs besides torch, and hatchling, which builds our own wheel." > others
    print "# Made by `make lock`: PyPI's torch, a CUDA build for Linux, and the libraries that only this build needs." > torch
    print "# A CPU build of the same version has hashes of its own: the Containerfile installs one by version alone." > torch
}
/^#/ { next }
/^[a-z]/ { file = /^(torch|triton|cuda-|nvidia-)/ ? torch : others }
{ print > file }
