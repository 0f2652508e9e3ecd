namespace KestrelEventLoopTransport.Native;

/// <summary>
/// Distinguishes a file from a later one under the same path. File systems reuse inode numbers, but not with the same
/// time of birth (zero where the file system does not record it).
/// </summary>
internal readonly record struct FileIdentity(ulong Device, ulong Inode, long BirthSeconds, uint BirthNanoseconds)
{
    internal static FileIdentity Of(in FileStatus status)
        => new(status.Device, status.Inode, status.BirthSeconds, status.BirthNanoseconds);
}
