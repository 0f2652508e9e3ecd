using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>
/// The packages, made once for all tests of the collection, and an app in a directory outside the repository that knows
/// of the repository nothing but the folder with the packages.
/// </summary>
public sealed class PackedApp : IAsyncLifetime
{
    /// <summary>Of all packages here. It is no version that a commit can have.</summary>
    public const string Version = "0.1.0-test";

    /// <summary>The address that the packages give for the repository, with or without a remote.</summary>
    public const string RepositoryUrl = "https://repository.example/kestrel";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kestrel-package-");

    /// <summary>The folder with the packages.</summary>
    public string Folder => PathOf("packages");

    private string App => PathOf("app");

    public async ValueTask InitializeAsync()
    {
        await PackAsync(Repository.Root, Folder);

        var source = Path.Combine(AppContext.BaseDirectory, "Packages", "App");
        Directory.CreateDirectory(App);
        File.Copy(Path.Combine(source, "PackagedApp.cs"), Path.Combine(App, "PackagedApp.cs"));
        File.Copy(Path.Combine(source, "App.csproj.txt"), Path.Combine(App, "App.csproj"));
        await File.WriteAllTextAsync(
            Path.Combine(App, "Program.cs"), $"await {typeof(App.PackagedApp).FullName}.RunAsync(args);\n");
        await File.WriteAllTextAsync(PathOf("nuget.config"), NuGetConfiguration());
    }

    public ValueTask DisposeAsync()
    {
        _directory.Delete(recursive: true);
        return default;
    }

    /// <summary>Makes the packages of a repository, with the version that all of these tests use.</summary>
    public static async Task PackAsync(string repository, string folder)
    {
        var result = await ToolProcess.RunWithinAsync(
            TimeSpan.FromMilliseconds(HangGuard.PackageMilliseconds),
            "bash",
            [
                Path.Combine(repository, "build", "pack.sh"), folder,
                $"-p:MinVerVersionOverride={Version}", $"-p:RepositoryUrl={RepositoryUrl}",
            ]);
        result.AssertSuccess();
    }

    /// <summary>A path in the directory outside the repository.</summary>
    public string PathOf(string name) => Path.Combine(_directory.FullName, name);

    /// <summary>The package of this name, or its symbols.</summary>
    public string PackageOf(string name, string extension = ".nupkg")
        => Path.Combine(Folder, $"{name}.{Version}{extension}");

    /// <summary>Runs a dotnet command on the app; what it writes goes to a directory of that name.</summary>
    public Task<string> MakeAsync(string command, string output, params IEnumerable<string> options)
        => MakeAsync(App, command, output, [$"-p:PackageUnderTest={Version}", .. options]);

    /// <summary>A project of a template, and what it is built into. A warning fails.</summary>
    public async Task<string> CreateAsync(string template, string name)
    {
        // The templates of the machine's user stay as they are.
        string[] hive = ["--debug:custom-hive", PathOf("hive")];
        if (!Directory.Exists(PathOf("hive")))
        {
            (await ToolProcess.RunAsync(
                "dotnet",
                ["new", "install", PackageOf("KestrelEventLoopTransport.Templates"), .. hive])).AssertSuccess();
        }

        var project = PathOf(name);
        (await ToolProcess.RunAsync("dotnet", ["new", template, "--output", project, .. hive])).AssertSuccess();
        return await MakeAsync(project, "build", $"{name}-built", "-warnaserror", "-p:NuGetAudit=false");
    }

    private async Task<string> MakeAsync(
        string project, string command, string output, params IEnumerable<string> options)
    {
        // A build server would outlive the command and keep its output open.
        var path = PathOf(output);
        var result = await ToolProcess.RunAsync("dotnet", [
            command, project, "--configuration", "Release", "--output", path, "--verbosity", "quiet",
            "-nodeReuse:false", "-p:UseSharedCompilation=false", .. options]);
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
