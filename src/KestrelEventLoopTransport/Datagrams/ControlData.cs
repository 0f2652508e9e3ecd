using KestrelEventLoopTransport.Native;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// The ancillary data of a message, <c>cmsg(3)</c>. Linux only: other systems get no ancillary data.
/// </summary>
internal static unsafe class ControlData
{
    private const int Alignment = 8;

    /// <summary>The bytes of an item with its header, for <c>msg_controllen</c> (<c>CMSG_SPACE</c>).</summary>
    internal static int Space(int length) => sizeof(cmsghdr) + Align(length);

    /// <summary>Finds the data of an item that the kernel has written.</summary>
    internal static bool TryFind(in msghdr message, int level, int type, out ReadOnlySpan<byte> data)
    {
        data = default;
        if (!OperatingSystem.IsLinux())
        {
            return false;
        }

        var at = message.msg_control;
        var end = at + message.msg_controllen;
        while (end - at >= sizeof(cmsghdr))
        {
            var header = (cmsghdr*)at;
            var length = (long)header->cmsg_len;
            if (length < sizeof(cmsghdr) || length > end - at)
            {
                return false;
            }

            if (header->cmsg_level == level && header->cmsg_type == type)
            {
                data = new(at + sizeof(cmsghdr), (int)length - sizeof(cmsghdr));
                return data.Length != 0;
            }

            at += Align((int)length);
        }

        return false;
    }

    /// <summary>Writes the header of an item. Returns where its data goes.</summary>
    internal static byte* Begin(byte* control, int level, int type, int length)
    {
        *(cmsghdr*)control = new cmsghdr
        {
            cmsg_len = (nuint)(sizeof(cmsghdr) + length),
            cmsg_level = level,
            cmsg_type = type,
        };
        return control + sizeof(cmsghdr);
    }

    private static int Align(int length) => (length + Alignment - 1) & ~(Alignment - 1);
}
