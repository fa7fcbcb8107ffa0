#!/bin/sh
# Builds etcd, kube-apiserver and kube-controller-manager from their published Go modules into a folder that KUBEBUILDER_ASSETS can name.
# Usage: tests/kubeapi/real/build.sh FOLDER. Needs Go and a module proxy, no container and no cluster; minutes on four cores.
set -eu

kubernetes=v1.34.2
staging=v0.34.2
etcd=v3.6.5
target=${1:?"usage: $0 FOLDER"}
mkdir -p "$target"
target=$(cd "$target" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GOFLAGS=-mod=mod

build() { # NAME: compiles the program in the current folder
    go mod tidy -e
    go build -ldflags "-s -w" -o "$target/$1" .
}

component() { # NAME CONSTRUCTOR: a program of k8s.io/kubernetes, whose own module replaces its libraries by folders that no proxy serves
    mkdir "$work/$1"
    cd "$work/$1"
    printf 'module built\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes %s\n\n' "$kubernetes" >go.mod
    for library in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap code-generator \
        component-base component-helpers controller-manager cri-api cri-client csi-translation-lib dynamic-resource-allocation endpointslice \
        externaljwt kms kube-aggregator kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils \
        pod-security-admission sample-apiserver sample-cli-plugin sample-controller; do
        echo "replace k8s.io/$library => k8s.io/$library $staging" >>go.mod
    done
    cat >main.go <<GO
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/$1/app"
)

func main() { os.Exit(cli.Run(app.$2())) }
GO
    build "$1"
}

mkdir "$work/etcd"
cd "$work/etcd"
printf 'module built\n\ngo 1.24.0\n\nrequire go.etcd.io/etcd/server/v3 %s\n' "$etcd" >go.mod
cat >main.go <<'GO'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
GO
build etcd
component kube-apiserver NewAPIServerCommand
component kube-controller-manager NewControllerManagerCommand
