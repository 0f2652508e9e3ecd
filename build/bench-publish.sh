#!/usr/bin/env bash
# What the ways to publish an app cost, on the transport and on Kestrel's sockets: size, time to the first response, and
# processor time of the first requests. The app has nothing but the packages of build/pack.sh. It runs on core 0, the
# client on core 1. Only loopback is a target.
#
#   build/bench-publish.sh [ROUNDS]
#   NO_BUILD=1 build/bench-publish.sh                     with what is published
set -euo pipefail
cd "$(dirname "$0")/.."
. build/tools.sh

work=$PWD/artifacts/bench-publish
rid=linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
declare -A options=(
  [framework]='--self-contained false'
  [ready-to-run]='--self-contained false -p:PublishReadyToRun=true'
  [trimmed]='--self-contained true -p:PublishTrimmed=true -p:PublishReadyToRun=true'
  [single-file]='--self-contained true -p:PublishTrimmed=true -p:PublishReadyToRun=true -p:PublishSingleFile=true'
  [aot]='--self-contained true -p:PublishAot=true -p:CppCompilerAndLinker=gcc'
)
ways=(framework ready-to-run trimmed single-file aot)

# usage: write_app <stock|ours>     A project outside of the repository's settings.
write_app() {
  local app=$work/app-$1
  mkdir -p "$app"
  echo '<Project />' > "$work/Directory.Build.props"
  echo '<Project />' > "$work/Directory.Packages.props"
  cat > "$work/nuget.config" << EOF
<configuration>
  <config><add key="globalPackagesFolder" value="$work/restored" /></config>
  <packageSources><add key="packed" value="$work/packages" /></packageSources>
</configuration>
EOF
  cat > "$app/App.csproj" << EOF
<Project Sdk="Microsoft.NET.Sdk.Web">
  <PropertyGroup>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <NuGetAudit>false</NuGetAudit>
    <InvariantGlobalization>true</InvariantGlobalization>
    <EnableRequestDelegateGenerator>true</EnableRequestDelegateGenerator>
  </PropertyGroup>
  <ItemGroup>
    $([[ $1 == stock ]] || echo '<PackageReference Include="KestrelEventLoopTransport" Version="[0.1.0-bench]" />')
  </ItemGroup>
</Project>
EOF
  cat > "$app/Program.cs" << EOF
var builder = WebApplication.CreateSlimBuilder(args);
$([[ $1 == stock ]] || echo 'builder.WebHost.UseEventLoopTransport();')
var app = builder.Build();
app.MapGet("/plaintext", () => Results.Bytes("Hello, World!"u8.ToArray(), "text/plain"));
app.Run();
EOF
}

if [[ -z ${NO_BUILD:-} ]]; then
  install_tools gcc /usr/include/stdio.h
  export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false
  rm -rf "$work/restored"/kestreleventlooptransport*
  build/pack.sh "$work/packages" -p:MinVerVersionOverride=0.1.0-bench > /dev/null
  build test/KestrelEventLoopTransport.Benchmarks
  for transport in stock ours; do
    write_app "$transport"
    for way in "${ways[@]}"; do
      rm -rf "$work/$way-$transport" "$work/app-$transport"/{bin,obj}
      # shellcheck disable=SC2086
      dotnet publish "$work/app-$transport" --nologo --verbosity quiet --runtime "$rid" ${options[$way]} \
        --output "$work/$way-$transport"
    done
  done
fi

programs=()
for way in "${ways[@]}"; do
  programs+=("$work/$way-stock/App" "$work/$way-ours/App")
done
exec taskset -c 1 test/KestrelEventLoopTransport.Benchmarks/bin/Release/net10.0/KestrelEventLoopTransport.Benchmarks \
  first --rounds "${1:-5}" "${programs[@]}"
