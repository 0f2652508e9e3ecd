namespace KestrelEventLoopTransport.Testing;

/// <summary>A directory of its own for a Unix socket, removed afterwards.</summary>
internal sealed class SocketPath : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kelt");

    public string Path => System.IO.Path.Combine(_directory.FullName, "s");

    public void Dispose() => _directory.Delete(recursive: true);
}
