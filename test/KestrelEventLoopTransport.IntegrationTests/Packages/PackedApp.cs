using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>
/// The packages, made once for all tests of a class, and an app in a directory outside the repository that knows of the
/// repository nothing but the folder with the packages.
/// </summary>
public sealed class PackedApp : IAsyncLifetime
{
    private const string VersionSuffix = "test";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kestrel-package-");

    /// <summary>The folder with the packages.</summary>
    public string Folder => Path.Combine(_directory.FullName, "packages");

    private string App => Path.Combine(_directory.FullName, "app");

    public async ValueTask InitializeAsync()
    {
        var result = await ToolProcess.RunWithinAsync(
            TimeSpan.FromMilliseconds(HangGuard.PackageMilliseconds),
            "bash",
            [Repository.PathOf("build", "pack.sh"), Folder, "--version-suffix", VersionSuffix]);
        result.AssertSuccess();

        var source = Path.Combine(AppContext.BaseDirectory, "Packages", "App");
        Directory.CreateDirectory(App);
        File.Copy(Path.Combine(source, "PackagedApp.cs"), Path.Combine(App, "PackagedApp.cs"));
        File.Copy(Path.Combine(source, "App.csproj.txt"), Path.Combine(App, "App.csproj"));
        await File.WriteAllTextAsync(
            Path.Combine(App, "Program.cs"), $"await {typeof(App.PackagedApp).FullName}.RunAsync(args);\n");
        await File.WriteAllTextAsync(Path.Combine(App, "nuget.config"), NuGetConfiguration());
    }

    public ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        return default;
    }

    /// <summary>The one package of this name, or its symbols.</summary>
    public string PackageOf(string name, string extension = ".nupkg")
        => Assert.Single(Directory.GetFiles(Folder, $"{name}.?.*-{VersionSuffix}{extension}"));

    /// <summary>Runs a dotnet command on the app; what it writes goes to a directory of that name.</summary>
    public async Task<string> MakeAsync(string command, string output, params IEnumerable<string> options)
    {
        var path = Path.Combine(_directory.FullName, output);
        var version = Path.GetFileNameWithoutExtension(
            PackageOf("KestrelEventLoopTransport"))["KestrelEventLoopTransport.".Length..];

        // A build server would outlive the command and keep its output open.
        var result = await ToolProcess.RunAsync("dotnet", [
            command, App, "--configuration", "Release", "--output", path, "--verbosity", "quiet", "-nodeReuse:false",
            "-p:UseSharedCompilation=false", $"-p:PackageUnderTest={version}", .. options]);
        result.AssertSuccess();
        return path;
    }

    // No package under test may come from an earlier run, so restored ones do not go where the machine keeps its own.
    // But those are used if they are there: a compiler is large.
    private string NuGetConfiguration()
    {
        var restored = Repository.PathOf("artifacts", "package-tests");
        Directory.CreateDirectory(restored);
        foreach (var stale in Directory.GetDirectories(restored, "kestreleventlooptransport*"))
        {
            Directory.Delete(stale, recursive: true);
        }

        var machine = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        var fallback = Directory.Exists(machine) ? $"""<add key="machine" value="{machine}" />""" : "";
        return $"""
            <?xml version="1.0" encoding="utf-8"?>
            <configuration>
              <config>
                <add key="globalPackagesFolder" value="{restored}" />
              </config>
              <fallbackPackageFolders>
                {fallback}
              </fallbackPackageFolders>
              <packageSources>
                <add key="packed" value="{Folder}" />
              </packageSources>
            </configuration>
            """;
    }
}
