namespace KestrelEventLoopTransport;

/// <summary>
/// Options of the file that a Unix socket is bound to (<c>unix(7)</c>: who may write to the file may connect). They are
/// applied after the bind and before the first client can connect. Abstract names have no file.
/// </summary>
public sealed class UnixSocketOptions
{
    /// <summary>
    /// Permissions of the file (<c>chmod(2)</c>). In configuration: octal digits such as <c>660</c>, or names of
    /// <see cref="UnixFileMode"/>. From 000 to 777. Default: <see langword="null"/>, 777 less the process's umask.
    /// </summary>
    public UnixFileMode? FileMode { get; set; }

    /// <summary>
    /// User who owns the file (<c>chown(2)</c>), by name or number. Needs <c>CAP_CHOWN</c>. Default:
    /// <see langword="null"/>, the process's.
    /// </summary>
    public string? Owner { get; set; }

    /// <summary>
    /// Group of the file (<c>chown(2)</c>), by name or number. Without <c>CAP_CHOWN</c>, one of the process's own.
    /// Default: <see langword="null"/>, the process's.
    /// </summary>
    public string? Group { get; set; }

    internal UnixSocketOptions Copy() => (UnixSocketOptions)MemberwiseClone();
}
