//! The template functions of sprig 3.3.0 and Helm.
