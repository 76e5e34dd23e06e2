package main

// The authorities of Mozilla's list, for machines that have none: minimal images of containers often lack the package
// ca-certificates, and no request to COS would succeed there. Where the machine has a list, that one counts alone.
import _ "golang.org/x/crypto/x509roots/fallback"
