using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Descriptors.UnixSockets;

/// <summary>The file of a bound Unix socket.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Identity">Tells it from a file that has replaced it.</param>
internal sealed record OwnedUnixFile(string Path, FileIdentity Identity)
{
    /// <summary>Removes the file if it is still the same file.</summary>
    internal void Delete() => UnixSocketFile.Delete(Path, Identity);
}
