using System.IO.Compression;
using KestrelEventLoopTransport.IntegrationTests.Tools;

namespace KestrelEventLoopTransport.IntegrationTests.Packages;

/// <summary>A clone in another folder makes the same packages of the same files.</summary>
[Slow]
[Collection<PackageSuite>]
[Trait("Poller", "epoll")]
public sealed class ReproducibleBuildTests(PackedApp app) : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kestrel clone-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact(Explicit = true, Timeout = HangGuard.PackageMilliseconds)]
    public async Task A_clone_elsewhere_gives_the_same_assemblies_and_has_the_version_of_its_tag()
    {
        Assert.SkipUnless(Path.Exists(Repository.PathOf(".git")), "The tests were not built in a clone.");
        var clone = await CloneAsync(Path.Combine(_directory.FullName, "clone"));
        var folder = Path.Combine(_directory.FullName, "packages");
        await PackedApp.PackAsync(clone, folder);
        foreach (var package in Directory.EnumerateFiles(app.Folder))
        {
            await AssertSameContentAsync(package, Path.Combine(folder, Path.GetFileName(package)));
        }

        Assert.Matches(@"^\d+\.\d+\.\d+", await VersionAsync(clone));
        await GitAsync(clone, "tag", "v987.6.5");
        Assert.Equal("987.6.5", await VersionAsync(clone));

        // A source archive.
        Directory.Move(Path.Combine(clone, ".git"), Path.Combine(clone, "no-git"));
        Assert.Equal("0.1.0-alpha.0", await VersionAsync(clone));
    }

    // With the files as they are here, committed or not.
    private static async Task<string> CloneAsync(string clone)
    {
        Directory.CreateDirectory(clone);
        await GitAsync(clone, "clone", "--quiet", "--shared", "--no-checkout", Repository.Root, clone);
        var origin = await ToolProcess.RunAsync("git", "-C", Repository.Root, "remote", "get-url", "origin");
        await GitAsync(clone, origin.ExitCode == 0
            ? ["remote", "set-url", "origin", origin.Output.Trim()]
            : ["remote", "remove", "origin"]);
        foreach (var name in Split(
            await GitAsync(Repository.Root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")))
        {
            var (from, to) = (Repository.PathOf(name), Path.Combine(clone, name));
            if (File.Exists(from))
            {
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(from, to);
            }
        }

        return clone;
    }

    private static string[] Split(string names)
        => names.Split('\0', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static async Task<string> GitAsync(string directory, params string[] arguments)
        => (await ToolProcess.RunAsync("git", ["-C", directory, .. arguments])).AssertSuccess().Output;

    private static async Task<string> VersionAsync(string repository)
        => (await ToolProcess.RunAsync(
            "dotnet", "msbuild", Path.Combine(repository, "src", "KestrelEventLoopTransport"), "-nodeReuse:false",
            $"-p:ArtifactsPath={Path.Combine(repository, "artifacts", "pack")}", "-p:Configuration=Release",
            "-t:MinVer", "-getProperty:Version")).AssertSuccess().Output.Trim();

    // Not the packages themselves: a zip file has the time at which it was made.
    private static async Task AssertSameContentAsync(string package, string other)
    {
        var files = await ReadAsync(package);
        var others = await ReadAsync(other);
        Assert.Equal(files.Keys.Order(), others.Keys.Order());
        Assert.All(files, file => Assert.True(
            file.Value.AsSpan().SequenceEqual(others[file.Key]), $"{file.Key} of {package} differs"));
    }

    private static async Task<Dictionary<string, byte[]>> ReadAsync(string package)
    {
        var files = new Dictionary<string, byte[]>();
        await using var archive = await ZipFile.OpenReadAsync(package, HangGuard.Token);
        foreach (var entry in archive.Entries)
        {
            if (Path.GetExtension(entry.Name) is ".psmdcp" or ".rels")
            {
                // Their names and ids are random.
                continue;
            }

            await using var stream = await entry.OpenAsync(HangGuard.Token);
            var bytes = new MemoryStream();
            await stream.CopyToAsync(bytes, HangGuard.Token);
            files.Add(entry.FullName, bytes.ToArray());
        }

        return files;
    }
}
