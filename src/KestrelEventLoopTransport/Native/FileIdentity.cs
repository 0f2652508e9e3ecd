namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Tells a file from one that came later under the same path: file systems give inode numbers out again, but not with
/// the same time of birth (zero where the file system keeps none).
/// </summary>
internal readonly record struct FileIdentity(ulong Device, ulong Inode, long BirthSeconds, uint BirthNanoseconds)
{
    internal static FileIdentity Of(in FileStatus status)
        => new(status.Device, status.Inode, status.BirthSeconds, status.BirthNanoseconds);
}
