#!/usr/bin/env bash
# Makes a folder with a runtime of .NET that is not installed, out of its packages, and prints the folder's path. It has
# no SDK: its bin/dotnet runs what the installed one has built, also for an older version.
#
# usage: build/runtime.sh VERSION     e.g. TEST_DOTNET_ROOT=$(build/runtime.sh 11.0.0) build/test.sh --fast
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:?usage: build/runtime.sh VERSION}
case $(uname -m) in
  x86_64) rid=linux-x64 ;;
  aarch64) rid=linux-arm64 ;;
  *) echo "There is no runtime package for $(uname -m)." >&2; exit 1 ;;
esac

work=$PWD/artifacts/runtime
root=$work/$version
mkdir -p "$work"
cat > "$work/runtime.proj" << EOF
<Project Sdk="Microsoft.NET.Sdk">
  <ItemGroup>
    <PackageDownload Include="Microsoft.NETCore.App.Runtime.$rid" Version="[$version]" />
    <PackageDownload Include="Microsoft.AspNetCore.App.Runtime.$rid" Version="[$version]" />
  </ItemGroup>
</Project>
EOF
dotnet restore "$work/runtime.proj" --packages "$work/packages" --verbosity quiet >&2

for framework in NETCore AspNetCore; do
  shared=$root/shared/Microsoft.$framework.App/$version
  package=$work/packages/microsoft.${framework,,}.app.runtime.$rid/$version/runtimes/$rid
  mkdir -p "$shared"
  cp "$package"/lib/net*/* "$shared"
  if [[ -d $package/native ]]; then
    cp "$package"/native/* "$shared"
  fi
done
mkdir -p "$root/host/fxr/$version"
mv "$root/shared/Microsoft.NETCore.App/$version/libhostfxr.so" "$root/host/fxr/$version"
cp "$(readlink -f "$(command -v dotnet)")" "$root/dotnet"

# A variable of the environment does not get through systemd-socket-activate.
mkdir -p "$root/bin"
printf '#!/bin/sh\nDOTNET_ROLL_FORWARD=LatestMajor exec "%s" "$@"\n' "$root/dotnet" > "$root/bin/dotnet"
chmod +x "$root/bin/dotnet"
echo "$root"
