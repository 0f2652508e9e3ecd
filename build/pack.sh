#!/usr/bin/env bash
# Makes the packages, with their symbols, and prints their paths.
#
# usage: build/pack.sh [folder] [options of dotnet pack]     the folder is artifacts/packages if none is given
#        build/pack.sh artifacts/nightly -p:MinVerVersionOverride=1.2.3-nightly.7
#
# Packages of these names that the folder has are removed, whatever their version.
#
# The version is that of the tag v1.2.3 on the commit. Without one it counts the commits since the last:
# 1.2.4-alpha.0.7. The release notes are the first section of CHANGELOG.md that says something. The repository's address,
# where the links of the READMEs lead, is that of the clone's remote; RepositoryUrl in the environment takes its place.
# The same commit gives the same assemblies, wherever the clone is.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/artifacts/packages
if (($# > 0)) && [[ $1 != -* ]]; then
  folder=$(mkdir -p "$1" && cd "$1" && pwd)
  shift
fi
cd "$root"
export MSBUILDDISABLENODEREUSE=1 DOTNET_CLI_USE_MSBUILD_SERVER=0 UseSharedCompilation=false
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

# The first section under "## " with a line that is neither empty nor a heading.
release_notes() {
  awk '/^## / { if (says) exit; notes = ""; inside = 1; next }
       !inside || /^\[[^]]+\]: / { next }
       { notes = notes $0 "\n" }
       NF > 0 && !/^#/ { says = 1 }
       END { if (says) printf "%s", notes }' "$1"
}

# A tree of its own, so that packing does not make the next build start anew.
work=$root/artifacts/pack
mkdir -p "$work" "$folder"
notes=$work/release-notes.md
rm -f "$notes"
if [[ -e CHANGELOG.md ]]; then
  release_notes CHANGELOG.md > "$notes"
fi

rm -f "$folder"/KestrelEventLoopTransport.*nupkg
for project in src/*/*.csproj build/template/*.csproj; do
  dotnet pack "$project" --configuration Release --artifacts-path "$work" --output "$folder" --verbosity quiet \
    "-p:ReleaseNotesFile=$notes" "$@"
done
ls "$folder"/KestrelEventLoopTransport.*nupkg
