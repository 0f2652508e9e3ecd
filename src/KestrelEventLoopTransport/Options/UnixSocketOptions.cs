namespace KestrelEventLoopTransport;

/// <summary>
/// Options of the file that a Unix socket is bound to. A client that may write to the file may connect
/// (<c>unix(7)</c>). The options are applied after the bind and before the first client can connect. Abstract names
/// have no file, so nothing is applied to them.
/// </summary>
/// <seealso cref="EndpointOptions.Unix"/>
public sealed class UnixSocketOptions
{
    /// <summary>
    /// Permissions of the file (<c>chmod(2)</c>), from 000 to 777 (octal). In configuration: octal digits such as
    /// <c>660</c>, or names of <see cref="UnixFileMode"/>. Default: <see langword="null"/>: 777 without the bits of the
    /// process's umask.
    /// </summary>
    public UnixFileMode? FileMode { get; set; }

    /// <summary>
    /// Name or number of the user who owns the file (<c>chown(2)</c>). From 1 to 255 bytes. Another user than the
    /// process's needs <c>CAP_CHOWN</c>. Default: <see langword="null"/>: the process's user.
    /// </summary>
    public string? Owner { get; set; }

    /// <summary>
    /// Name or number of the file's group (<c>chown(2)</c>). From 1 to 255 bytes. A group that the process is not a
    /// member of needs <c>CAP_CHOWN</c>. Default: <see langword="null"/>: the process's group.
    /// </summary>
    public string? Group { get; set; }

    internal UnixSocketOptions Copy() => (UnixSocketOptions)MemberwiseClone();
}
