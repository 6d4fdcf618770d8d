#!/bin/sh
# Puts the secrets that `remora ctl init --dir DIR` made into the cluster, one Secret an audience.
#   remora ctl init --dir DIR
#   k8s/create-secrets.sh DIR [NAMESPACE]
# Nothing is printed but names. Run again it updates; pods read files again when they are restarted. Keep DIR as you keep keys, or delete it.
set -eu
dir=${1:?usage: k8s/create-secrets.sh DIR [NAMESPACE]}
namespace=${2:-remora}

kubectl create namespace "$namespace" --dry-run=client --output yaml | kubectl apply --filename -

# secret NAME KEY=FILE
secret() {
    kubectl --namespace "$namespace" create secret generic "$1" --from-file="$2" --dry-run=client --output yaml |
        kubectl apply --filename -
}

for file in "$dir"/*.password; do
    user=$(basename "$file" .password)
    case $user in
    postgres) secret remora-postgres "password=$file" ;;
    *) secret "remora-bus-$user" "password=$file" ;;
    esac
done
secret remora-control-tokens "control.tokens=$dir/control.tokens"
secret remora-viewer-tokens "viewer.tokens=$dir/viewer.tokens"
secret remora-gate-key "gate.key=$dir/gate.key"
secret remora-gate-public-key "gate.pub=$dir/gate.pub"
