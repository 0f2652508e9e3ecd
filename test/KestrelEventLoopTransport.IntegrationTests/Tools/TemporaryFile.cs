using KestrelEventLoopTransport.IntegrationTests.Server;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>
/// A file with a text or the content of a <see cref="PatternStream"/>, deleted when disposed.
/// </summary>
internal sealed class TemporaryFile : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kestrel-");

    public TemporaryFile(int length)
    {
        Path = System.IO.Path.Combine(_directory.FullName, "content");
        using var file = File.Create(Path);
        new PatternStream(length).CopyTo(file);
    }

    public TemporaryFile(string text)
    {
        Path = System.IO.Path.Combine(_directory.FullName, "content");
        File.WriteAllText(Path, text);
    }

    public string Path { get; }

    public void Dispose() => _directory.Delete(recursive: true);
}
