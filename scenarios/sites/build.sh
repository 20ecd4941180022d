#!/bin/sh
# Rebuild every release of every site under this folder.
# Needs node (>= 20.19) and npm; see README.md.
set -eu
cd "$(dirname "$0")/harbour"

npm ci

for release in v1 v2; do
  rm -rf .work
  mkdir -p .work/site
  cp -R source/. .work/site/
  if [ "$release" != v1 ]; then
    # A later release is the source tree, less what it removes, plus what it changes.
    while read -r gone; do rm -r ".work/site/$gone"; done < "release-$release/REMOVED"
    cp -R "release-$release/." .work/site/
    rm .work/site/REMOVED
  fi
  rm -rf "$release/dist"
  npx vite build --outDir "../../$release/dist" --emptyOutDir
done

rm -rf .work
