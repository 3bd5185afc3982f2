//! kustomize build, as far as Flux trees use it.
