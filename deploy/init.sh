#!/bin/sh
# Makes the gate's key pair and all passwords once, and hands each service only its own.
#
# In: folders under /secrets, one an audience, each a volume that only its audience mounts; /secrets/all is mounted
# here alone. Run again it makes what is new (a service, a venue) and changes nothing else. Nothing is printed but
# where things are.
set -eu
umask 077

remora ctl init --dir /secrets/all

# give AUDIENCE MODE FROM TO: replaces the file at once, so that a reader never sees half of it.
give() {
    cp "/secrets/all/$3" "/secrets/$1/.$4"
    chmod "$2" "/secrets/$1/.$4"
    mv "/secrets/$1/.$4" "/secrets/$1/$4"
}

for user in ingestor-kraken-spot pair-discovery order-router-kraken-spot risk-gate decision persister; do
    give "$user" 0400 "$user.password" bus.password
done
# Only who takes commands knows the tokens that may give them.
for user in order-router-kraken-spot risk-gate; do
    give "$user" 0400 control.tokens control.tokens
done
for user in ingestor-kraken-spot pair-discovery decision persister; do
    give "$user" 0400 viewer.tokens control.tokens
done
give admin 0400 admin.password bus.password
give risk-gate 0400 gate.key gate.key
give order-router-kraken-spot 0400 gate.pub gate.pub
give persister 0400 postgres.password postgres.password
# PostgreSQL runs under its image's own user; only it mounts this folder.
give postgres 0444 postgres.password postgres.password

# Variables of a NATS configuration are seen only by what follows them in the same file.
cat /secrets/all/nats-passwords.conf /usr/share/remora/nats.conf > /secrets/nats/.nats-server.conf
chmod 0400 /secrets/nats/.nats-server.conf
mv /secrets/nats/.nats-server.conf /secrets/nats/nats-server.conf
